//! resus-otlp
