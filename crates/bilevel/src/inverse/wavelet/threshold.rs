//! The soft threshold that minimizes SURE in a subband.
//!
//! ```text
//! SURE(t) = Σ_{|w|≤t} w² + #{|w|>t}·(t² + 2σ²) − nσ²
//! ```
//!
//! rises between the sizes of coefficients, so that the minimum is at one of them or at 0: sorting finds it exactly.
//!
//! Source: Donoho and Johnstone, "Adapting to unknown smoothness via wavelet shrinkage", JASA 90 (1995).

/// (t, SURE(t)) at the minimum; `variance` = σ².
pub(super) fn sure_threshold(subband: &[f64], variance: f64) -> (f64, f64) {
    // The bits of nonnegative numbers sort as the numbers do, and faster.
    let mut sizes: Vec<u64> = subband.iter().map(|w| w.abs().to_bits()).collect();
    sizes.sort_unstable();
    let n = sizes.len() as f64;
    let (mut best, mut square) = ((0.0, n * variance), 0.0);
    for (k, &bits) in sizes.iter().enumerate() {
        let t = f64::from_bits(bits);
        square += t * t;
        let above = n - 1.0 - k as f64;
        let risk = square + above * (t * t + 2.0 * variance) - n * variance;
        if risk < best.1 {
            best = (t, risk);
        }
    }
    best
}

/// SURE(t); `variance` = σ².
pub(super) fn sure_at(subband: &[f64], variance: f64, t: f64) -> f64 {
    let of = |w: &f64| if w.abs() <= t { w * w } else { t * t + 2.0 * variance };
    subband.iter().map(of).sum::<f64>() - subband.len() as f64 * variance
}

/// w ↦ sign(w)·max(|w| − t, 0).
pub(super) fn soft_threshold(subband: &mut [f64], t: f64) {
    subband.iter_mut().for_each(|w| *w -= w.clamp(-t, t));
}
