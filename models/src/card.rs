//! The model card: all that exporter and loader must agree on.
