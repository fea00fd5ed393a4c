//! resus-store
