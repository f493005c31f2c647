//! Plots of curves, as SVG: latency on a log scale, with the lines at which people notice.

use std::{error::Error, path::Path};

use plotters::{
    coord::ranged1d::{Ranged, ValueFormatter},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::curve::Over;

/// A curve with the name of whose it is and a colour that only depends on that.
pub(super) struct Line<'a> {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) points: &'a [(f64, f64)],
}

const SIZE: (u32, u32) = (860, 460);
/// When something no longer feels instant, when people drift off, and when they leave, in milliseconds.
const FELT: [(f64, &str); 3] = [(100.0, "0.1 s"), (1_000.0, "1 s"), (3_000.0, "3 s")];
/// The least that the log scale shows, in milliseconds.
const FLOOR: f64 = 0.03;

/// Draws curves of one kind into a file. Points that never came are left out.
pub(super) fn draw(
    file: &Path,
    title: &str,
    over: Over,
    lines: &[Line<'_>],
    shaded: Option<(f64, f64)>,
) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let most_x = points().map(|point| point.0).fold(1.0, f64::max);
    let most_y = points()
        .map(|point| point.1)
        .filter(|latency| latency.is_finite())
        .fold(10.0, f64::max);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&area);
    builder
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64);
    let y = (FLOOR..most_y * 1.5).log_scale();
    match over {
        Over::OneOf => {
            let chart = builder.build_cartesian_2d((1.0..most_x).log_scale(), y)?;
            fill(chart, "percentile", &percentile, lines, shaded)?;
        }
        Over::Seconds => {
            let chart = builder.build_cartesian_2d(0.0..most_x, y)?;
            fill(chart, "seconds", &plain, lines, shaded)?;
        }
        Over::Load => {
            let chart = builder.build_cartesian_2d(0.0..most_x, y)?;
            let label = "heavy requests, as a multiple of the capacity";
            fill(chart, label, &plain, lines, shaded)?;
        }
    }
    area.present()?;
    Ok(())
}

fn fill<'a, X, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    x_label: &str,
    x_format: &dyn Fn(&f64) -> String,
    lines: &[Line<'_>],
    shaded: Option<(f64, f64)>,
) -> Result<(), Box<dyn Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let (x, y) = (chart.x_range(), chart.y_range());
    if let Some((from, to)) = shaded {
        let corners = [(from, y.start), (to, y.end)];
        chart.draw_series([Rectangle::new(corners, BLACK.mix(0.06).filled())])?;
    }
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc("latency in ms")
        .x_label_formatter(x_format)
        .y_label_formatter(&plain)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (latency, felt) in FELT.iter().filter(|(latency, _)| *latency < y.end) {
        let across = [(x.start, *latency), (x.end, *latency)];
        chart.draw_series(LineSeries::new(across, BLACK.mix(0.4)))?;
        let corner = Pos::new(HPos::Right, VPos::Bottom);
        let style = ("sans-serif", 12).into_text_style(&SIZE).pos(corner);
        let label = Text::new(*felt, (x.end, *latency), style);
        chart.draw_series([label])?;
    }
    let mut named: Vec<&str> = Vec::new();
    for line in lines {
        let colour = Palette99::pick(line.colour).to_rgba();
        let seen = line
            .points
            .iter()
            .filter(|(_, latency)| latency.is_finite())
            .map(|&(at, latency)| (at, latency.max(FLOOR)));
        let drawn = chart.draw_series(LineSeries::new(seen, colour.stroke_width(2)))?;
        if !named.contains(&line.name.as_str()) {
            named.push(&line.name);
            drawn.label(line.name.as_str()).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(14)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// As short as it goes: steps on an axis are not exact.
fn plain(value: &f64) -> String {
    format!("{}", (value * 1e3).round() / 1e3)
}

/// 100 is p99.
fn percentile(one_of: &f64) -> String {
    let decimals = (one_of.log10().round() as usize).saturating_sub(2);
    format!("p{:.decimals$}", 100.0 * (1.0 - 1.0 / one_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short() {
        assert_eq!(
            [0.3, 0.1 + 0.2, 1_000.0].map(|value| plain(&value)),
            ["0.3", "0.3", "1000"]
        );
    }

    #[test]
    fn percentiles_have_their_names() {
        let names = [1.0, 10.0, 100.0, 1_000.0, 10_000.0].map(|one_of| percentile(&one_of));
        assert_eq!(names, ["p0", "p90", "p99", "p99.9", "p99.99"]);
    }
}
