//! One mutation after another.

/// What numbers, texts and structures break on.
const WORDS: [&str; 34] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "1e3",
    "1E-30",
    "79228162514264337593543950335",
    "-79228162514264337593543950335",
    "0.0000000000000000000000000001",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "NaN",
    "Infinity",
    "null",
    "true",
    "false",
    "\"\"",
    "\"0\"",
    "\"-1\"",
    "\"79228162514264337593543950335\"",
    "\"1e28\"",
    "\"NaN\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[[[[[[[[[[]]]]]]]]]]",
    "[null]",
    "\u{feff}",
    "\"2026-11-22T15:04:05.678Z\"",
    "\"smc\"",
    "{\"a\":{}}",
];

/// splitmix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end as u64).unwrap_or_default()
    }
}

pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        mutate(&mut input, corpus, random);
    }
    input
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    if input.is_empty() {
        input.push(random.draw() as u8);
        return;
    }
    let at = random.below(input.len());
    let end = at + random.below(input.len() - at) + 1;
    match random.below(10) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = random.draw() as u8,
        2 => input.insert(at, random.draw() as u8),
        3 => drop(input.drain(at..end)),
        4 => input.truncate(at),
        5 => {
            let span = input[at..end].to_vec();
            input.splice(at..at, span);
        }
        6 => {
            let other = &corpus[random.below(corpus.len())];
            if !other.is_empty() {
                let from = random.below(other.len());
                let until = from + random.below(other.len() - from) + 1;
                input.splice(at..end, other[from..until].iter().copied());
            }
        }
        7 => drop(input.splice(at..at, word(random))),
        // Most mutations keep the JSON whole, or nothing behind its parser would ever be reached.
        _ => {
            if let Some((from, until)) = value_near(input, at) {
                input.splice(from..until, word(random));
            }
        }
    }
}

fn word(random: &mut Random) -> Vec<u8> {
    WORDS[random.below(WORDS.len())].as_bytes().to_vec()
}

/// The JSON value behind the first colon at or after `at`: a text, a number, or whatever stands up to the next comma or bracket.
fn value_near(input: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at + input[at..].iter().position(|byte| *byte == b':')? + 1;
    let rest = &input[from..];
    let length = if rest.first() == Some(&b'"') {
        rest[1..].iter().position(|byte| *byte == b'"')? + 2
    } else {
        rest.iter().position(|byte| b",}]".contains(byte))?
    };
    Some((from, from + length))
}
