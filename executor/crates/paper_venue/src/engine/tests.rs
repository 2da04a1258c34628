//! The engine against the cases that the Python venue passes too, and against invariants.

mod cases;
