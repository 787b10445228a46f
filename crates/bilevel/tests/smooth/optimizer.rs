//! Learning the optimizer.
