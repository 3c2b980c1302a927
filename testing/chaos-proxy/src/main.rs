//! `chaos-proxy UPSTREAM [SEED]`: the proxy as a program, for tests in other languages.
//!
//! Its first line on stdout is `listening on ADDRESS:PORT`. Each line on stdin is a command, answered by a line `ok ...` or
//! `error ...`: `plan PLAN` for connections from now on, `end reset` (or `close`, `half_close`, `stall`, `black_hole`) for
//! all that are open, `upstream ADDRESS:PORT`, `count` (connections made, open, bytes up, bytes down). It ends with stdin.

use std::io::{self, Write};
use std::process::ExitCode;

use chaos_proxy::ChaosProxy;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let upstream = arguments.next().ok_or("usage: chaos-proxy UPSTREAM [SEED]")?.parse()?;
    let seed = arguments.next().map_or(Ok(0), |seed| seed.parse())?;
    let proxy = ChaosProxy::start(upstream, seed).await?;
    say(&format!("listening on {}", proxy.address()))?;
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = commands.next_line().await? {
        match obey(&proxy, line.trim()) {
            Ok(answer) => say(format!("ok {answer}").trim_end())?,
            Err(error) => say(&format!("error {error}"))?,
        }
    }
    Ok(())
}

fn obey(proxy: &ChaosProxy, line: &str) -> Result<String, Box<dyn std::error::Error>> {
    let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "plan" => proxy.set_plan(argument.parse()?),
        "end" => proxy.end_all(argument.parse()?),
        "upstream" => proxy.set_upstream(argument.parse()?),
        "count" => {
            let (up, down) = proxy.forwarded();
            return Ok(format!("{} {} {up} {down}", proxy.connections(), proxy.open_connections()));
        }
        _ => return Err("commands are `plan`, `end`, `upstream` and `count`".into()),
    }
    Ok(String::new())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
