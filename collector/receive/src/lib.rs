//! Who may hand in telemetry, and what are they told?
