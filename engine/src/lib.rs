//! resus-engine
