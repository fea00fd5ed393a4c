//! resus-suspects
