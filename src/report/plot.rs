//! Accuracy against cost, a point a model with its interval, as SVG and as PNG from one drawing.

use std::io::Cursor;
use std::sync::Once;

use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// Size in pixels.
const SIZE: (u32, u32) = (900, 560);

/// Colours that the colour-blind tell apart as well, and that stand out on white (Okabe and Ito 2008, "Color universal
/// design", without the yellow).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// One model.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotPoint {
    /// Its name, written beside the point.
    pub name: String,
    /// Cost, above 0.
    pub x: f64,
    /// Accuracy.
    pub y: f64,
    /// Ends of the interval of the accuracy.
    pub interval: (f64, f64),
}

/// A plot to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What stands above.
    pub title: String,
    /// What x is.
    pub x_label: String,
    /// What y is.
    pub y_label: String,
    /// The models.
    pub points: Vec<PlotPoint>,
}

/// A plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot: {0}")]
pub struct PlotError(pub(super) String);

/// Has plots written in a font of our own, so that they are the same on every machine.
pub(super) fn use_own_font() {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        let font = include_bytes!("../draw/font/DejaVuSans-subset.ttf");
        let _ = register_font("sans-serif", FontStyle::Normal, font);
    });
}

impl Plot {
    /// As SVG text.
    ///
    /// # Errors
    /// When there is no point, or numbers cannot be drawn.
    pub fn svg(&self) -> Result<String, PlotError> {
        let mut text = String::new();
        self.draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
        Ok(text)
    }

    /// As the bytes of a PNG.
    ///
    /// # Errors
    /// When there is no point, or numbers cannot be drawn.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        let mut pixels = vec![0; 3 * SIZE.0 as usize * SIZE.1 as usize];
        self.draw(&BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())?;
        let picture =
            RgbImage::from_raw(SIZE.0, SIZE.1, pixels).ok_or_else(|| PlotError("no picture".into()))?;
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).map_err(|error| PlotError(error.to_string()))?;
        Ok(bytes.into_inner())
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), PlotError>
    where
        B::ErrorType: 'static,
    {
        use_own_font();
        self.draw_on(area).map_err(|error| PlotError(error.to_string()))
    }

    fn draw_on<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        B::ErrorType: 'static,
    {
        if self.points.is_empty() {
            return Err("there is nothing to plot".into());
        }
        let (x, y) = self.ranges();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .label_style(("sans-serif", 15))
            .y_label_formatter(&|value| format!("{value:.2}"))
            .draw()?;
        let labels = self.labels(x.1 - x.0, y);
        for (number, (point, label)) in self.points.iter().zip(labels).enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let ends = [(point.x, point.interval.0), (point.x, point.interval.1)];
            chart.draw_series(LineSeries::new(ends, colour.stroke_width(2)))?;
            chart.draw_series([Circle::new((point.x, point.y), 5, colour.filled())])?;
            let style = ("sans-serif", 15).into_font().color(&BLACK);
            let name = Text::new(point.name.clone(), (9, -7), style);
            chart.draw_series([EmptyElement::at((point.x, label)) + name])?;
        }
        area.present()?;
        Ok(())
    }

    /// Heights of the names, on an axis of costs of this length: those of the points, or lower where another name is in the way.
    fn labels(&self, x: f64, (low, high): (f64, f64)) -> Vec<f64> {
        // A letter's width and a line's height as shares of the axes.
        let (letter, line) = (0.0105 * x, 0.045 * (high - low));
        let mut placed: Vec<(f64, f64, f64)> = Vec::new();
        for point in &self.points {
            let (left, right) = (point.x, point.x + letter * (point.name.chars().count() + 1) as f64);
            let mut height = point.y;
            let taken = |height: f64| {
                placed
                    .iter()
                    .any(|&(from, to, y)| left < to && from < right && (y - height).abs() < 0.99 * line)
            };
            while taken(height) {
                height -= line;
            }
            placed.push((left, right, height));
        }
        placed.into_iter().map(|(_, _, height)| height).collect()
    }

    /// The ranges of cost and of accuracy, with room for names and intervals.
    fn ranges(&self) -> ((f64, f64), (f64, f64)) {
        let over = |values: &dyn Fn(&PlotPoint) -> [f64; 2]| {
            let all = self.points.iter().flat_map(values).filter(|value| value.is_finite());
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let x = over(&|point| [point.x; 2]);
        let y = over(&|point| [point.interval.0.min(point.y), point.interval.1.max(point.y)]);
        let room = (0.08 * (y.1 - y.0)).max(0.005);
        // Of models that cost alike, a tenth of that is shown.
        let span = (x.1 - x.0).max(0.1 * x.1).max(f64::MIN_POSITIVE);
        (((x.0 - 0.15 * span).max(0.0), x.1 + 0.4 * span), ((y.0 - room).max(0.0), y.1 + room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let point = |name: &str, x, y| PlotPoint { name: name.into(), x, y, interval: (y - 0.02, y + 0.02) };
        Plot {
            title: "AP against time".into(),
            x_label: "ms a photo".into(),
            y_label: "AP".into(),
            points: vec![point("resnet-18", 20.0, 0.44), point("resnet <34>", 35.0, 0.47)],
        }
    }

    #[test]
    fn names_of_equal_points_stand_below_each_other() {
        let mut plot = plot();
        plot.points = [0, 0, 1].map(|k| plot.points[k].clone()).to_vec();
        let heights = plot.labels(50.0, (0.4, 0.5));
        assert_eq!((heights[0], heights[2]), (0.44, 0.47));
        assert!((heights[1] - 0.4355).abs() < 1e-9, "{heights:?}");
    }

    #[test]
    fn the_svg_names_every_model() {
        let text = plot().svg().unwrap();
        assert!(text.starts_with("<svg") && text.contains("resnet-18") && text.contains("resnet &lt;34&gt;"));
        assert_eq!(text.matches("<circle").count(), 2);
    }

    #[test]
    fn the_png_is_a_picture_of_that_size() {
        let picture = image::load_from_memory(&plot().png().unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), SIZE);
    }

    #[test]
    fn nothing_to_plot_is_an_error() {
        assert!(Plot { points: vec![], ..plot() }.svg().is_err());
    }
}
