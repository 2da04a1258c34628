//! Bybit v5, spot and linear swaps of a unified account in one-way mode.

mod requests;
pub mod sign;
pub mod unified;
