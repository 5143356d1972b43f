//! Curves between 0 and 1 as SVG: precision over recall, accuracy over score.

use std::ops::Range;

use plotters::prelude::*;

use super::plot::{PlotError, use_own_font};

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

/// A plot that was drawn.
pub(super) struct DrawnPlot {
    /// SVG text.
    pub(super) svg: String,
    /// Colour, such as `#0072b2`, and name of each curve.
    pub(super) legend: Vec<(String, String)>,
}

/// Okabe and Ito's colours ("Color Universal Design", 2008) that stand out on white: they can be told apart by the
/// colour-blind.
fn colour(number: usize) -> RGBColor {
    const COLOURS: [(u8, u8, u8); 4] = [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)];
    let (red, green, blue) = COLOURS[number % COLOURS.len()];
    RGBColor(red, green, blue)
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

impl Lines<'_> {
    /// As SVG text, with the legend apart, so that it covers nothing.
    pub(super) fn svg(&self) -> Result<DrawnPlot, PlotError> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| PlotError(error.to_string()))?;
        let key = |(number, (name, _)): (usize, &(String, _))| (hex(colour(number)), name.clone());
        Ok(DrawnPlot { svg, legend: self.series.iter().enumerate().map(key).collect() })
    }

    fn draw(&self, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        use_own_font();
        let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(48)
            .y_label_area_size(60)
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
        for (number, (_, points)) in self.series.iter().enumerate() {
            chart.draw_series(LineSeries::new(points.iter().copied(), colour(number).stroke_width(2)))?;
        }
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
        let drawn = Lines { x_label: "recall", y_label: "precision", series }.svg().unwrap();
        assert!(drawn.svg.starts_with("<svg") && drawn.svg.contains("precision"));
        assert_eq!(drawn.legend, [("#0072b2".into(), "a <b>".into()), ("#d55e00".into(), "c".into())]);
    }
}
