//! The engine against the cases that the Python venue passes too, and against what must hold whatever comes.

mod cases;
mod invariants;
mod l2;
mod lists;
mod swap;
