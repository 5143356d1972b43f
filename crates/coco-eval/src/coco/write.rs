//! Writing COCO's tables, an entry a line.

use std::io::{self, Write};

use serde::Serialize;

/// An entry of `images`, with an id of any kind of number.
#[derive(Serialize)]
pub struct ImageEntry<'a, I> {
    /// Its id.
    pub id: I,
    /// Name of its file, folders included.
    pub file_name: &'a str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// An entry of `categories`.
#[derive(Serialize)]
pub struct CategoryEntry<'a, I> {
    /// Its id.
    pub id: I,
    /// Its name.
    pub name: &'a str,
}

/// A JSON list written entry by entry, a line each.
pub struct JsonList<'a, W> {
    out: &'a mut W,
    empty: bool,
}

impl<'a, W: Write> JsonList<'a, W> {
    /// Begins with what stands before the entries, the opening bracket included.
    pub fn begin(out: &'a mut W, text: &str) -> io::Result<JsonList<'a, W>> {
        out.write_all(text.as_bytes())?;
        Ok(JsonList { out, empty: true })
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: &impl Serialize) -> io::Result<()> {
        self.add_with(entry, "")
    }

    /// Adds an object with further members, which are given as JSON without braces.
    pub fn add_with(&mut self, entry: &impl Serialize, more: &str) -> io::Result<()> {
        self.out.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        if more.is_empty() {
            return Ok(serde_json::to_writer(&mut *self.out, entry)?);
        }
        let mut text = serde_json::to_vec(entry)?;
        text.pop();
        self.out.write_all(&text)?;
        write!(self.out, ",{more}}}")
    }

    /// Ends with what stands behind the entries.
    pub fn end(self, text: &str) -> io::Result<()> {
        if !self.empty {
            self.out.write_all(b"\n")?;
        }
        self.out.write_all(text.as_bytes())
    }
}
