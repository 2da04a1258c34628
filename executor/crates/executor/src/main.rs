//! The executor: commands in, orders at the venue, state in Postgres. README.md tells how one order goes through these files.

mod account;
mod action;
mod addresses;
mod answer;
mod answering;
mod booking;
mod cancelling;
mod clock;
mod commanding;
mod config;
mod controlling;
mod draining;
mod envelope;
mod fact;
mod failing;
mod figures;
mod flattening;
mod forgetting;
mod gate;
mod gathering;
mod http;
mod inbox;
mod journal_file;
mod journaling;
mod keeper;
mod lease;
mod logging;
mod looking;
mod message;
mod metrics;
#[cfg(test)]
mod model_venue;
mod netting;
mod pairing;
mod placing;
mod postgres;
mod postgres_tls;
mod preparing;
mod protecting;
mod reacting;
mod reconciling;
mod replacing;
mod replaying;
mod resolving;
mod row;
mod rows;
mod running;
mod signing;
mod sink;
mod snapshot;
mod standing;
mod state;
mod statements;
mod status_page;
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;

use config::Config;
use journal_file::Look;

/// Orders are many small texts: with the system's allocator they cost a quarter of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
The executor of the SMC Trading Agent: verifies signed commands, journals them, sends orders, follows them.

usage:
  executor run --config FILE     run until SIGTERM
  executor check --config FILE   look at configuration, journal, venues and database, and say what is wrong
  executor journal inspect FILE [--json]   what a journal holds, in numbers
  executor journal verify FILE [--json]    whether it is whole, torn or damaged, and where; fails if damaged
  executor journal export FILE             its records, one JSON a line
  executor sign --venue binance|bybit|okx --market spot|swap FILE
                                 print the request for a recorded call: {exchange, timestamp, credentials, method, input}
  executor --help

Log lines go to stderr; SMC_LOG_JSON=1 makes them JSON, RUST_LOG=debug more.";

enum Task {
    Run(PathBuf),
    Check(PathBuf),
    Journal { look: Look, path: PathBuf, json: bool },
    Sign { venue: String, market: String, path: PathBuf },
    Help,
}

fn main() -> ExitCode {
    logging::start();
    let result = match task(std::env::args().skip(1).collect()) {
        Ok(Task::Help) => {
            println!("{HELP}");
            Ok(())
        }
        Ok(Task::Run(path)) => Config::read(&path).map_err(|error| error.to_string()).and_then(running::run),
        Ok(Task::Check(path)) => Config::read(&path).map_err(|error| error.to_string()).and_then(running::check),
        Ok(Task::Journal { look, path, json }) => journal_file::look(look, &path, json),
        Ok(Task::Sign { venue, market, path }) => signing::sign(&venue, &market, &path),
        Err(message) => Err(format!("{message}\n\n{HELP}")),
    };
    logging::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("executor: {message}");
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: Vec<String>) -> Result<Task, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["run", "--config", path] => Ok(Task::Run(path.into())),
        ["check", "--config", path] => Ok(Task::Check(path.into())),
        ["journal", look, path, ref options @ ..] => {
            let look = match (look, options) {
                ("inspect", [] | ["--json"]) => Look::Inspect,
                ("verify", [] | ["--json"]) => Look::Verify,
                ("export", []) => Look::Export,
                _ => return Err(format!("not understood: {}", words.join(" "))),
            };
            Ok(Task::Journal { look, path: path.into(), json: !options.is_empty() })
        }
        ["sign", "--venue", venue, "--market", market, path] => {
            Ok(Task::Sign { venue: venue.into(), market: market.into(), path: path.into() })
        }
        ["--help" | "-h" | "help"] => Ok(Task::Help),
        [] => Err("say what to do".into()),
        _ => Err(format!("not understood: {}", words.join(" "))),
    }
}
