//! Fuzzing on stable Rust: valid inputs are mutated (bits, bytes, spans, JSON values, splices of two) and thrown at a target. It is
//! not guided by coverage but by what the target says: an input with a new outcome joins the corpus and is mutated further.
//!
//! As a test it is short. `SMC_FUZZ_SECONDS=300` makes it as long, `SMC_SEED` another run; what breaks the target is printed as a literal.

mod mutate;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

pub use mutate::Random;
use mutate::mutated;

/// Unoptimised code is some thirty times slower.
const SHORT_RUN: u64 = if cfg!(debug_assertions) { 300 } else { 5_000 };
const LARGEST_CORPUS: usize = 2_000;

/// Throws mutations of `corpus` at `target`, which panics if something is wrong, and says what became of the input: as many different
/// things as it can tell apart, not as there are inputs.
///
/// # Panics
/// With the input, when the target does.
pub fn run(name: &str, corpus: &[Vec<u8>], mut target: impl FnMut(&[u8]) -> String) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (seconds, seed) = (number("SMC_FUZZ_SECONDS"), number("SMC_SEED").unwrap_or(1));
    let (mut random, begun) = (Random::new(seed), Instant::now());
    let mut corpus = corpus.to_vec();
    assert!(!corpus.is_empty(), "nothing to mutate");
    let mut outcomes = HashSet::new();
    let mut check = |input: &[u8]| match catch_unwind(AssertUnwindSafe(|| target(input))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            eprintln!("fuzz {name}: broken by b\"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    };
    for valid in &corpus {
        outcomes.insert(check(valid));
    }
    let mut runs = 0u64;
    while match seconds {
        Some(seconds) => begun.elapsed() < Duration::from_secs(seconds),
        None => runs < SHORT_RUN,
    } {
        let input = mutated(&corpus, &mut random);
        if outcomes.insert(check(&input)) && corpus.len() < LARGEST_CORPUS {
            corpus.push(input);
        }
        runs += 1;
    }
    println!("fuzz {name}: {runs} inputs in {:.0?}, {} outcomes, 0 failures", begun.elapsed(), outcomes.len());
}

/// The JSON texts among the raw strings (`r#"..."#`) of a source file: a tests' own messages are a corpus.
#[must_use]
pub fn json_in(source: &str) -> Vec<Vec<u8>> {
    let texts = source.split("r#\"").skip(1).filter_map(|rest| rest.split_once("\"#")).map(|(text, _)| text);
    texts
        .filter(|text| text.starts_with('{'))
        .map(|text| text.replace("{{", "{").replace("}}", "}").into_bytes())
        .collect()
}
