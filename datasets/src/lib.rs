//! resus-datasets
