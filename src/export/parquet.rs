//! The table of detections as Parquet, for dataframes and engines.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::table::COLUMNS;
use super::{ExportError, Source};
use crate::run::{Exported, JournalRow};
use coco_eval::{ResultId, Rle};

/// Rows that are held until they are written together.
const GROUP: usize = 100_000;

/// ColumnValues of a column that are there, and for each row whether one is.
struct Column {
    values: ColumnValues,
    levels: Vec<i16>,
}

enum ColumnValues {
    Text(Vec<ByteArray>),
    Long(Vec<i64>),
    Int(Vec<i32>),
    Float(Vec<f32>),
}

/// One value to be.
enum ColumnValue<'a> {
    Text(&'a str),
    Id(&'a ResultId),
    Side(u32),
    Float(f32),
    Nothing,
}

impl Column {
    fn push(&mut self, cell: &ColumnValue<'_>) {
        match (&mut self.values, cell) {
            (ColumnValues::Text(values), ColumnValue::Text(text)) => values.push((*text).into()),
            (ColumnValues::Text(values), ColumnValue::Id(id)) => values.push(id.to_string().as_str().into()),
            (ColumnValues::Long(values), ColumnValue::Id(ResultId::Number(id))) => values.push(*id),
            // Sides are bounded by what a picture may have.
            (ColumnValues::Int(values), ColumnValue::Side(side)) => {
                values.push(i32::try_from(*side).unwrap_or(i32::MAX))
            }
            (ColumnValues::Float(values), ColumnValue::Float(value)) => values.push(*value),
            _ => return self.levels.push(0),
        }
        self.levels.push(1);
    }

    /// Writes all values and forgets them.
    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<()> {
        let levels = Some(self.levels.as_slice());
        match &mut self.values {
            ColumnValues::Text(values) => {
                column.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
            ColumnValues::Long(values) => {
                column.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            ColumnValues::Int(values) => {
                column.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            ColumnValues::Float(values) => {
                column.typed::<FloatType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        column.close()
    }
}

/// The rows that are held, by columns.
struct RowGroup {
    columns: Vec<Column>,
    rows: usize,
}

impl RowGroup {
    fn push(&mut self, cells: [ColumnValue<'_>; COLUMNS.len()]) {
        self.columns.iter_mut().zip(&cells).for_each(|(column, cell)| column.push(cell));
        self.rows += 1;
    }

    fn add(&mut self, row: &JournalRow) {
        use ColumnValue::{Float, Id, Nothing, Side, Text};
        let (file, id) = (Text(row.file()), Id(row.image_id()));
        let found = match row {
            JournalRow::Found(found) => found,
            JournalRow::Failed(failed) => {
                let kind = Text(&failed.error.kind);
                return self.push([
                    file, id, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing,
                    Nothing, kind, Nothing,
                ]);
            }
        };
        let photo = || [Text(&found.file), Id(&found.image_id), Side(found.width), Side(found.height)];
        if found.detections.is_empty() {
            let [file, id, width, height] = photo();
            self.push([
                file, id, width, height, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing,
                Nothing, Nothing,
            ]);
        }
        for item in &found.detections {
            let [file, id, width, height] = photo();
            let [x1, y1, x2, y2] = item.r#box.map(Float);
            let (category, label) = (Id(&item.category_id), Text(&item.label));
            let counts = item.mask.as_ref().map(Rle::text);
            let (score, mask) = (Float(item.score), counts.as_deref().map_or(Nothing, Text));
            self.push([file, id, width, height, category, label, score, x1, y1, x2, y2, Nothing, mask]);
        }
    }

    fn write<W: Write + Send>(&mut self, writer: &mut SerializedFileWriter<W>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = writer.next_row_group()?;
        for column in &mut self.columns {
            let next =
                group.next_column()?.ok_or_else(|| ParquetError::General("a column is missing".into()))?;
            column.write(next)?;
        }
        self.rows = 0;
        group.close().map(drop)
    }
}

/// Writes the table, whole or not at all. Ids are 64-bit numbers, or text where one of them is.
pub(super) fn write(source: &Source<'_>, path: &Path) -> std::result::Result<Exported, ExportError> {
    let text = |mut ids: Box<dyn Iterator<Item = &ResultId> + '_>| ids.any(|id| id.number().is_none());
    let text_ids = [
        text(Box::new(source.tasks.iter().map(|task| &task.image_id))),
        text(Box::new(source.classes.iter().map(|class| &class.id))),
    ];
    source.table(path, |out, rows| {
        table(rows, text_ids, out).map_err(|error| match error {
            ParquetError::External(error) => match error.downcast::<io::Error>() {
                Ok(error) => *error,
                Err(error) => io::Error::other(error),
            },
            error => io::Error::other(error),
        })
    })
}

fn table(
    rows: &mut dyn Iterator<Item = JournalRow>,
    [image_texts, category_texts]: [bool; 2],
    out: impl Write + Send,
) -> Result<usize> {
    let id = |text: bool| if text { ColumnValues::Text(Vec::new()) } else { ColumnValues::Long(Vec::new()) };
    let column = |name: &str| {
        let values = match name {
            "image_id" => id(image_texts),
            "category_id" => id(category_texts),
            "width" | "height" => ColumnValues::Int(Vec::new()),
            "score" | "x1" | "y1" | "x2" | "y2" => ColumnValues::Float(Vec::new()),
            _ => ColumnValues::Text(Vec::new()),
        };
        Column { values, levels: Vec::new() }
    };
    let columns: Vec<Column> = COLUMNS.iter().map(|name| column(name)).collect();
    let field = |(name, column): (&&str, &Column)| {
        let (kind, logical) = match column.values {
            ColumnValues::Text(_) => ("binary", " (STRING)"),
            ColumnValues::Long(_) => ("int64", ""),
            ColumnValues::Int(_) => ("int32", ""),
            ColumnValues::Float(_) => ("float", ""),
        };
        format!("optional {kind} {name}{logical};")
    };
    let fields: String = COLUMNS.iter().zip(&columns).map(field).collect();
    let schema = Arc::new(parse_message_type(&format!("message detections {{ {fields} }}"))?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let mut group = RowGroup { columns, rows: 0 };
    let mut written = 0;
    for row in rows {
        let before = group.rows;
        group.add(&row);
        written += group.rows - before;
        if group.rows >= GROUP {
            group.write(&mut writer)?;
        }
    }
    group.write(&mut writer)?;
    writer.close()?;
    Ok(written)
}
