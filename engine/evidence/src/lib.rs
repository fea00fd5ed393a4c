//! resus-evidence
