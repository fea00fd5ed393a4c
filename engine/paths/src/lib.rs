//! resus-paths
