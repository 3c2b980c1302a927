//! A scratch Postgres for tests in other languages: prints the address of an empty database and stays until stdin ends.

use std::io::{self, Read as _, Write as _};

use scratch_postgres::ScratchPostgres;

fn main() -> io::Result<()> {
    let server = ScratchPostgres::start();
    println!("{}", server.url());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
