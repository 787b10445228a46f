//! Outlines of marks that differ in shape.

/// A square, circle, triangle, diamond, cross or triangle upside down around `center`, as path data.
pub(crate) fn shape(i: usize, center: (f64, f64), radius: f64) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let corner =
            |(x, y): &(f64, f64)| format!("{:.1} {:.1}", center.0 + radius * x, center.1 + radius * y);
        format!("M{}Z", corners.iter().map(corner).collect::<Vec<_>>().join("L"))
    };
    match i % 6 {
        0 => {
            let (x, y, r) = (center.0, center.1, 0.95 * radius);
            format!(
                "M{:.1} {y:.1}a{r:.1} {r:.1} 0 1 0 {:.1} 0a{r:.1} {r:.1} 0 1 0 {:.1} 0Z",
                x - r,
                2.0 * r,
                -2.0 * r
            )
        }
        1 => polygon(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
        2 => polygon(&[(0.0, -1.1), (1.1, 0.9), (-1.1, 0.9)]),
        3 => polygon(&[(0.0, -1.3), (1.1, 0.0), (0.0, 1.3), (-1.1, 0.0)]),
        4 => {
            let w = 0.35;
            let arms = [(-1.1, w), (-w, w), (-w, 1.1), (w, 1.1), (w, w), (1.1, w)];
            let back = arms.map(|(x, y)| (-x, -y));
            polygon(&[arms, back].concat())
        }
        _ => polygon(&[(0.0, 1.1), (1.1, -0.9), (-1.1, -0.9)]),
    }
}
