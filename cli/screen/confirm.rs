//! Asking the operator before something is taken away.

use std::io::{BufRead, IsTerminal, Write};

use crate::error::Error;

/// Asks whether to go ahead; that nobody is there to answer is a failure.
pub async fn confirmed() -> Result<bool, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage("nobody is here to confirm the plan").hint("give -y to go ahead"));
    }
    write!(std::io::stderr(), "Proceed? (y/N) ")?;
    // On a thread of its own, so that Ctrl-C is heard meanwhile.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(|error| Error::internal("cannot ask").caused_by(&error))??;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
