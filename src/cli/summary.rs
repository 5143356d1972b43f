//! The closing words of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::run::{Record, RunState};
use serde::Serialize;

use super::output::brief;
use super::progress::duration;
use super::{Exit, output, signals};

/// Says how a run went, for a person or as JSON, and what to exit with.
pub(super) fn report(record: &Record, out: &Path, json: bool) -> anyhow::Result<Exit> {
    if json || !output::is_quiet() {
        output::print_watched_report(&RunReport { record, out }, json)?;
    }
    tell_clipped(record.counts.clipped, " (`clipped` in detections.jsonl)");
    Ok(match record.state {
        RunState::Interrupted | RunState::Running => signals::received().unwrap_or(Exit::Interrupted),
        RunState::Finished
            if record.counts.failed + record.counts.without_picture() > 0
                || !record.unread.is_empty()
                || record.exports.iter().any(|made| made.failed > 0) =>
        {
            Exit::PhotosFailed
        }
        RunState::Finished => Exit::Done,
    })
}

/// Says that grey values of photos were cut off; `place` is where it stands which photos these are.
pub(super) fn tell_clipped(photos: usize, place: &str) {
    if photos > 0 {
        let photos = plural(photos, "photo");
        super::say(&[format!(
            "the grey values of {photos} have more than 8 bits and were cut off at 255, as the model's own reader \
             does: they may be nearly white or black{place}; convert them to 8 bits, as \
             `gdal_translate -ot Byte -scale` does"
        )]);
    }
}

/// A run's record, and what a person wants to know when it is over.
#[derive(Serialize)]
#[serde(transparent)]
struct RunReport<'a> {
    record: &'a Record,
    #[serde(skip)]
    out: &'a Path,
}

impl fmt::Display for RunReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, self.record, self.out)
    }
}

fn write_all(text: &mut fmt::Formatter<'_>, record: &Record, out: &Path) -> fmt::Result {
    let (counts, settings) = (&record.counts, &record.settings);
    let new = counts.photos - record.photos_before;
    let interrupted = if record.state == RunState::Interrupted { "interrupted: " } else { "" };
    let (drawn, from) = (counts.drawn(), settings.shown_from());
    write!(
        text,
        "{interrupted}{}, {} of score {from} or more",
        plural(counts.photos, "photo"),
        boxes(drawn)
    )?;
    if new > 0 {
        write!(text, ", in {}", duration(record.wall))?;
        if record.wall > 0.0 && counts.photos > counts.failed {
            write!(text, " ({:.1} photos a second)", new as f64 / record.wall)?;
        }
    }
    writeln!(text)?;
    by_class(text, &counts.shown_by_class)?;
    let less = counts.detections.saturating_sub(drawn);
    if less > 0 {
        writeln!(
            text,
            "{} of lower score, from {} up, in the results for evaluation",
            boxes(less),
            settings.score
        )?;
    }
    failures(text, record)?;
    for passed_over in record.passed_over.values() {
        writeln!(text, "{passed_over}")?;
    }
    if new > 0 {
        stages(text, record)?;
    }
    writeln!(text, "device: {}, precision: {}", record.machine.device, settings.precision)?;
    if settings.draw_score.is_some() && counts.photos > counts.failed {
        writeln!(text, "pictures with boxes in `{}`", out.join("annotated").display())?;
    }
    for made in &record.exports {
        writeln!(text, "{} {} in `{}`", made.files, made.what, made.place.display())?;
        if let Some(first) = &made.first_failure {
            writeln!(text, "  {} could not be made: {first}", made.failed)?;
        }
    }
    let out = out.display();
    writeln!(text, "results in `{out}`; `rcnn report {out} -o report.html` makes a page of them")
}

/// Classes by falling number of boxes, the first ten.
fn by_class(text: &mut fmt::Formatter<'_>, counts: &BTreeMap<String, usize>) -> fmt::Result {
    let mut classes: Vec<(&String, &usize)> = counts.iter().collect();
    classes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let largest: Vec<(String, usize)> = classes
        .iter()
        .take(10)
        .map(|(name, count)| (brief(&name.escape_debug().to_string()).into(), **count))
        .collect();
    let widest = largest.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let digits = largest.first().map_or(1, |(_, count)| count.to_string().len());
    for (name, count) in largest {
        writeln!(text, "  {name:widest$}  {count:>digits$}")?;
    }
    match classes.len().saturating_sub(10) {
        0 => Ok(()),
        more => writeln!(text, "  and {more} more classes"),
    }
}

fn boxes(count: usize) -> String {
    if count == 1 { "1 box".into() } else { format!("{count} boxes") }
}

fn failures(text: &mut fmt::Formatter<'_>, record: &Record) -> fmt::Result {
    if !record.unread.is_empty() {
        let folders = plural(record.unread.len(), "folder");
        writeln!(text, "{folders} could not be read: the photos in them are not among these")?;
    }
    let counts = &record.counts;
    let (failed, without_picture) = (counts.failed, counts.without_picture());
    let kinds = |kinds: &BTreeMap<String, usize>| {
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        kinds.join(", ")
    };
    if failed > 0 {
        writeln!(text, "{} failed: {}", plural(failed, "photo"), kinds(&counts.failures))?;
    }
    if without_picture > 0 {
        let pictures = plural(without_picture, "picture");
        writeln!(text, "{pictures} could not be written: {}", kinds(&counts.unwritten))?;
    }
    for failure in record.first_failures.iter().take(5) {
        writeln!(text, "  `{}`: {}", failure.file.escape_debug(), failure.error.detail)?;
    }
    let more = (failed + without_picture).saturating_sub(record.first_failures.len().min(5));
    if more > 0 {
        writeln!(text, "  and {more} more: detections.jsonl has all")?;
    }
    match counts.may_pass() {
        0 => Ok(()),
        some => {
            writeln!(text, "{some} of them may pass: the same command tries them again, --retry-failed all")
        }
    }
}

fn stages(text: &mut fmt::Formatter<'_>, record: &Record) -> fmt::Result {
    let named = record.times.named();
    let spent: Vec<String> = named
        .iter()
        .filter(|(_, seconds)| *seconds >= 0.005)
        .map(|(name, seconds)| format!("{name} {seconds:.2}"))
        .collect();
    if !spent.is_empty() {
        writeln!(text, "seconds by stage: {}", spent.join(", "))?;
    }
    if let Some(bottleneck) = &record.bottleneck {
        let outside = 100.0 * record.overhead();
        writeln!(
            text,
            "bottleneck: {} (at work {:.0} % of the time); {outside:.1} % of the time no session was at work",
            bottleneck.part,
            100.0 * bottleneck.busy
        )?;
    }
    Ok(())
}

pub(super) fn plural(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
