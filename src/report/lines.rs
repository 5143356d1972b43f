//! Curves between 0 and 1 as SVG: precision over recall, accuracy over score.

use std::ops::Range;

use plotters::prelude::*;

use super::plot::{Error, use_own_font};

/// Size in pixels.
const SIZE: (u32, u32) = (520, 380);
const UNIT: Range<f64> = 0.0..1.02;

/// Curves to be drawn.
pub(super) struct Lines<'a> {
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    /// Name and points of each.
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Lines<'_> {
    /// As SVG text.
    pub(super) fn svg(&self) -> Result<String, Error> {
        let mut text = String::new();
        self.draw(&mut text).map_err(|error| Error(error.to_string()))?;
        Ok(text)
    }

    fn draw(&self, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        use_own_font();
        let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(52)
            .build_cartesian_2d(UNIT, UNIT)?;
        let two = |value: &f64| format!("{value:.1}");
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&two)
            .y_label_formatter(&two)
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .label_style(("sans-serif", 14))
            .draw()?;
        for (number, (name, points)) in self.series.iter().enumerate() {
            let colour = Palette99::pick(number).to_rgba();
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            let key = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3));
            chart.draw_series(line)?.label(name).legend(key);
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.85))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_named() {
        let series = vec![("a <b>".into(), vec![(0.0, 1.0), (1.0, 0.2)]), ("c".into(), vec![])];
        let text = Lines { x_label: "recall", y_label: "precision", series }.svg().unwrap();
        assert!(text.starts_with("<svg") && text.contains("a &lt;b&gt;") && text.contains("precision"));
    }
}
