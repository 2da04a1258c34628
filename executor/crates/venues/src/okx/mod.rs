//! OKX v5, spot and linear swaps of an account in net mode.

mod ids;
mod requests;
pub mod sign;
pub mod unified;
