//! What fuzzing tells apart.

use std::fmt::Debug;

/// The shape of what was read: its names without its values.
pub fn outcome<T: Debug, E: Debug>(read: &Result<T, E>) -> String {
    let text = format!("{read:?}");
    let names = text.split(|letter: char| !letter.is_ascii_alphabetic()).filter(|name| name.len() > 3);
    names.take(12).collect::<Vec<_>>().join(" ")
}
