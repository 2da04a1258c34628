//! Answers to pings come in the order of the pings.

use std::collections::VecDeque;

/// The pings on their way. One that is never answered makes the later ones late, never early.
#[derive(Default)]
pub struct Pongs(VecDeque<Option<u64>>);

impl Pongs {
    /// A ping goes out; `None`: only to see whether the peer is there.
    pub fn sent(&mut self, number: Option<u64>) {
        self.0.push_back(number);
    }

    /// A pong came: the number of its ping, if it had one.
    pub fn came(&mut self) -> Option<u64> {
        self.0.pop_front().flatten()
    }

    /// A new connection owes nothing.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}
