//! Accuracy against cost, a point a model with its interval, as SVG and as PNG from one drawing.

use std::io::Cursor;
use std::sync::Once;

use image::imageops::{self, FilterType};
use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::plot_labels::{NamedPoint, place};
use crate::draw::Rect;

/// Size in pixels.
const SIZE: (u32, u32) = (900, 560);

/// How many times its size a picture of pixels is drawn before it is scaled down: letters are set at whole pixels, which
/// shows as uneven gaps where a pixel is large.
const FINER: u32 = 4;

/// Radius of a point, and what is left free around a name.
const RADIUS: u32 = 5;
const MARGIN: u32 = 2;

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
        self.draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), 1)?;
        Ok(text)
    }

    /// As the bytes of a PNG.
    ///
    /// # Errors
    /// When there is no point, or numbers cannot be drawn.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        let fine = (FINER * SIZE.0, FINER * SIZE.1);
        let mut pixels = vec![0; 3 * fine.0 as usize * fine.1 as usize];
        self.draw(&BitMapBackend::with_buffer(&mut pixels, fine).into_drawing_area(), FINER)?;
        let drawn =
            RgbImage::from_raw(fine.0, fine.1, pixels).ok_or_else(|| PlotError("no picture".into()))?;
        let picture = imageops::resize(&drawn, SIZE.0, SIZE.1, FilterType::CatmullRom);
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).map_err(|error| PlotError(error.to_string()))?;
        Ok(bytes.into_inner())
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: u32) -> Result<(), PlotError>
    where
        B::ErrorType: 'static,
    {
        use_own_font();
        self.draw_on(area, scale).map_err(|error| PlotError(error.to_string()))
    }

    /// Draws with everything at so many times its size.
    fn draw_on<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        B::ErrorType: 'static,
    {
        if self.points.is_empty() {
            return Err("there is nothing to plot".into());
        }
        let (x, y) = self.ranges();
        let decimals = if y.1 - y.0 < 0.08 { 3 } else { 2 };
        let font = ("sans-serif", 15 * scale).into_font();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 22 * scale))
            .margin(16 * scale)
            .x_label_area_size(48 * scale)
            .y_label_area_size(64 * scale)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225).stroke_width(scale))
            .axis_style(BLACK.stroke_width(scale))
            .set_all_tick_mark_size(5 * scale)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .label_style(font.clone())
            .y_label_formatter(&|value| format!("{value:.decimals$}"))
            .draw()?;
        let pixel = |x: f64, y: f64| chart.backend_coord(&(x, y));
        let mut named = Vec::new();
        for point in &self.points {
            let (width, height) = font.box_size(&point.name)?;
            let at = pixel(point.x, point.y);
            let ends = [point.interval.1, point.interval.0].map(|end| i64::from(pixel(point.x, end).1));
            named.push(NamedPoint {
                centre: (at.0.into(), at.1.into()),
                interval: (ends[0], ends[1]),
                name: ((width + 2 * MARGIN * scale).into(), (height + 2 * MARGIN * scale).into()),
            });
        }
        let (across, down) = chart.plotting_area().get_pixel_range();
        let page = Rect {
            x: across.start.into(),
            y: down.start.into(),
            width: across.len() as i64,
            height: down.len() as i64,
        };
        let names = place(page, &named, i64::from(RADIUS * scale));
        let whole = |(x, y): (i64, i64)| (x as i32, y as i32);
        let grey = RGBColor(110, 110, 110).stroke_width(scale);
        for leader in names.iter().filter_map(|name| name.leader) {
            area.draw(&PathElement::new(leader.map(whole).to_vec(), grey))?;
        }
        for (number, point) in named.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let ends = [point.interval.0, point.interval.1].map(|y| whole((point.centre.0, y)));
            area.draw(&PathElement::new(ends.to_vec(), colour.stroke_width(2 * scale)))?;
            area.draw(&Circle::new(whole(point.centre), RADIUS * scale, colour.filled()))?;
        }
        let margin = i64::from(MARGIN * scale);
        for (point, name) in self.points.iter().zip(&names) {
            let Rect { x, y, width, height } = name.at;
            // The lines of the grid end at a name.
            let corners = [whole((x, y)), whole((x + width, y + height))];
            area.draw(&Rectangle::new(corners, WHITE.filled()))?;
            let text = Text::new(point.name.as_str(), whole((x + margin, y + margin)), font.clone());
            area.draw(&text)?;
        }
        area.present()?;
        Ok(())
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
