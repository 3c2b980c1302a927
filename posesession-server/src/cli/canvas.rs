//! A skeleton drawn with braille letters, two by four dots each. A pose in, lines of text out.

use posesession_core::{Component, PoseData, Skeleton, Unit};

/// Dots of a letter, by row and column: the bit that U+2800 takes for it.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Which side of the body a line belongs to, by its keypoints' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Middle,
    Left,
    Right,
}

impl Side {
    const fn colour(self) -> &'static str {
        match self {
            Self::Middle => "",
            Self::Left => "\u{1b}[36m",
            Self::Right => "\u{1b}[33m",
        }
    }
}

/// A grid of dots.
#[derive(Debug)]
struct Canvas {
    columns: usize,
    cells: Vec<(u32, Side)>,
}

/// A line or, with equal ends, a point of a body, in the picture's own units.
struct Stroke {
    from: (f32, f32),
    to: (f32, f32),
    side: Side,
}

/// Draws the persons of a pose as large as fits into `columns` x `rows` letters; nothing if nobody can be seen. `aspect` is
/// how wide the picture was for its height.
pub(super) fn draw(
    skeleton: &Skeleton,
    pose: &PoseData,
    aspect: f32,
    columns: usize,
    rows: usize,
    is_coloured: bool,
) -> Vec<String> {
    let strokes = strokes(skeleton, pose, aspect);
    let ends = || strokes.iter().flat_map(|stroke| [stroke.from, stroke.to]);
    let least = ends().fold((f32::MAX, f32::MAX), |least, end| (least.0.min(end.0), least.1.min(end.1)));
    let most = ends().fold((f32::MIN, f32::MIN), |most, end| (most.0.max(end.0), most.1.max(end.1)));
    if strokes.is_empty() || columns == 0 || rows == 0 {
        return Vec::new();
    }
    // Dots are about as high as wide in a terminal's usual font.
    let (width, height) = ((most.0 - least.0).max(1e-6), (most.1 - least.1).max(1e-6));
    let (right, bottom) = (dot_count(columns * 2), dot_count(rows * 4));
    let scale = (right / width).min(bottom / height);
    let place = |end: (f32, f32)| ((end.0 - least.0) * scale, (end.1 - least.1) * scale);
    let mut canvas = Canvas { columns, cells: vec![(0, Side::Middle); columns * rows] };
    for stroke in &strokes {
        canvas.line(place(stroke.from), place(stroke.to), stroke.side);
    }
    canvas.lines(is_coloured)
}

/// Returns the place of the last of `dots` dots.
fn dot_count(dots: usize) -> f32 {
    u16::try_from(dots.saturating_sub(1)).map_or(f32::from(u16::MAX), f32::from)
}

fn strokes(skeleton: &Skeleton, pose: &PoseData, aspect: f32) -> Vec<Stroke> {
    let layout = skeleton.layout();
    let mut strokes = Vec::new();
    for person in 0..pose.person_count() {
        let values = pose.person(person, &layout);
        for (index, component) in skeleton.components.iter().enumerate() {
            let Some((x, y, is_relative)) = picture_channels(skeleton, component) else { continue };
            let Some(values) = skeleton.component_range(index).and_then(|range| values.get(range)) else {
                continue;
            };
            let stretch = if is_relative { aspect } else { 1.0 };
            let at = |keypoint: usize| {
                let value =
                    |channel: usize| values.get(keypoint * component.channels.len() + channel).copied();
                let (x, y) = (value(x)? * stretch, value(y)?);
                (x.is_finite() && y.is_finite()).then_some((x, y))
            };
            let side = |keypoint: usize| match component.keypoints.get(keypoint) {
                Some(name) if name.contains("left") => Side::Left,
                Some(name) if name.contains("right") => Side::Right,
                _ => Side::Middle,
            };
            let points = (0..component.keypoints.len()).map(|keypoint| (keypoint, keypoint));
            let edges = component.edges.iter().map(|&(a, b)| (usize::from(a), usize::from(b)));
            for (a, b) in points.chain(edges) {
                if let (Some(from), Some(to)) = (at(a), at(b)) {
                    let side = if side(a) == side(b) { side(a) } else { Side::Middle };
                    strokes.push(Stroke { from, to, side });
                }
            }
        }
    }
    strokes
}

/// Returns where a component has x and y in the picture, and whether they are parts of its width and height. Metres are drawn only
/// where there is nothing else: they have another origin.
fn picture_channels(skeleton: &Skeleton, component: &Component) -> Option<(usize, usize, bool)> {
    let channel = |component: &Component, name: &str| {
        component.channels.iter().position(|channel| channel.name == name)
    };
    let unit = |component: &Component| Some(component.channels.get(channel(component, "x")?)?.unit);
    let in_picture = |unit: Unit| matches!(unit, Unit::Image | Unit::Pixels);
    let has_picture = skeleton.components.iter().filter_map(unit).any(in_picture);
    let unit = unit(component)?;
    if has_picture && !in_picture(unit) {
        return None;
    }
    Some((channel(component, "x")?, channel(component, "y")?, unit == Unit::Image))
}

impl Canvas {
    fn line(&mut self, from: (f32, f32), to: (f32, f32), side: Side) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = nearest(dx.abs().max(dy.abs()).ceil()).max(1);
        for step in 0..=steps {
            let part = dot_count(step + 1) / dot_count(steps + 1);
            self.dot(nearest(from.0 + dx * part), nearest(from.1 + dy * part), side);
        }
    }

    fn dot(&mut self, x: usize, y: usize, side: Side) {
        let Some(bit) = DOTS.get(y % 4).and_then(|row| row.get(x % 2)) else { return };
        if x / 2 < self.columns
            && let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2)
        {
            let side = if side == Side::Middle { cell.1 } else { side };
            *cell = (cell.0 | bit, side);
        }
    }

    fn lines(&self, is_coloured: bool) -> Vec<String> {
        let line = |cells: &[(u32, Side)]| {
            let used = cells.iter().rposition(|cell| cell.0 > 0).map_or(0, |last| last + 1);
            let (mut text, mut colour) = (String::new(), "");
            for (dots, side) in cells.iter().take(used) {
                if is_coloured && *dots > 0 && side.colour() != colour {
                    text.push_str(if colour.is_empty() { "" } else { "\u{1b}[0m" });
                    colour = side.colour();
                    text.push_str(colour);
                }
                text.push(if *dots == 0 { ' ' } else { char::from_u32(0x2800 + dots).unwrap_or(' ') });
            }
            text.push_str(if colour.is_empty() { "" } else { "\u{1b}[0m" });
            text
        };
        let mut lines: Vec<String> = self.cells.chunks(self.columns).map(line).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

/// Returns the number of the dot at a place of the canvas.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and what is outside of the canvas is not drawn"
)]
fn nearest(place: f32) -> usize {
    place.round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use posesession_core::SyntheticPose;

    #[test]
    fn a_body_fills_the_canvas_and_nobody_draws_nothing() {
        let skeleton = Skeleton::preset("mediapipe_33").unwrap();
        let (_time, pose) = SyntheticPose::new(&skeleton, 30.0).frame(3);
        let lines = draw(&skeleton, &pose, 1.5, 60, 20, false);
        assert_eq!(lines.len(), 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 60 && !line.contains('\u{1b}')));
        assert!(draw(&skeleton, &pose, 1.5, 60, 20, true).concat().contains("\u{1b}[36m"));
        assert!(draw(&skeleton, &PoseData::nobody(), 1.5, 60, 20, true).is_empty());
    }

    #[test]
    fn lines_end_where_they_should() {
        let mut canvas = Canvas { columns: 2, cells: vec![(0, Side::Middle); 2] };
        canvas.line((0.0, 0.0), (3.0, 3.0), Side::Left);
        canvas.line((9.0, 9.0), (30.0, 30.0), Side::Left);
        assert_eq!(canvas.lines(false), ["⠑⢄"]);
        assert_eq!(canvas.lines(true), ["\u{1b}[36m⠑⢄\u{1b}[0m"]);
    }
}
