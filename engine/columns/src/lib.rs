//! resus-columns
