//! resus-plan
