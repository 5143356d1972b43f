//! How far long work has come: a bar on a terminal, a plain line now and then elsewhere. Always on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{self, tell};

/// Seconds between plain lines.
const PAUSE: Duration = Duration::from_secs(15);

/// Shows the progress of counted things.
pub(crate) struct ProgressLine {
    bar: Option<ProgressBar>,
    things: &'static str,
    started: Instant,
    last_line: Instant,
    before: u64,
}

impl ProgressLine {
    /// Begins with `before` of `total` things done.
    pub(crate) fn new(things: &'static str, before: u64, total: u64) -> ProgressLine {
        let watched = std::io::stderr().is_terminal() && !output::is_captured() && !output::is_quiet();
        let bar = watched.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template =
                format!("{{bar:30}} {{pos}} of {{len}} {things}  {{per_sec}}  {{eta}} left{{msg}}");
            let style =
                ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar.set_position(before);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        ProgressLine { bar, things, started: now, last_line: now, before }
    }

    /// Tells how many are done, and how many of them failed.
    pub(crate) fn set(&mut self, done: u64, total: u64, failed: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            let failed = if failed > 0 { format!("  {failed} failed") } else { String::new() };
            bar.set_message(failed);
            return;
        }
        if self.last_line.elapsed() < PAUSE || done == self.before {
            return;
        }
        self.last_line = Instant::now();
        let rate = (done - self.before) as f64 / self.started.elapsed().as_secs_f64();
        let left = (total - done.min(total)) as f64 / rate;
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        tell!("{done} of {total} {}{failed}, {rate:.1} a second, {} left", self.things, duration(left));
    }

    /// Tells how far the things under way have come, while none is done.
    pub(crate) fn within(&mut self, parts: &'static str, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("  {done} of {total} {parts}"));
            bar.tick();
        } else if self.last_line.elapsed() >= PAUSE {
            self.last_line = Instant::now();
            tell!("{done} of {total} {parts} of the {} under way", self.things);
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `95 s`, `2 min 17 s`, `3 h 20 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_are_short() {
        let texts = [0.4, 59.0, 119.0, 137.0, 3599.0, 3661.0].map(super::duration);
        assert_eq!(texts, ["0 s", "59 s", "119 s", "2 min 17 s", "59 min 59 s", "1 h 1 min"]);
    }
}
