//! Which of many points are drawn: always the same ones, always with the ends.

/// At most about `limit` of the items, evenly spaced, always with the first and the last.
pub(crate) fn thinned<T: Clone>(items: &[T], limit: usize) -> Vec<T> {
    if items.len() <= limit || limit < 2 {
        return items.to_vec();
    }
    let last = items.len() - 1;
    (0..limit).map(|i| items[i * last / (limit - 1)].clone()).collect()
}

/// About `limit` of the indices 0 … n−1, evenly spaced on a logarithmic axis of ranks, with the first thirty and the last; all where
/// there are at most `limit`.
pub(crate) fn evenly_in_log_rank(n: usize, limit: usize) -> Vec<usize> {
    if n <= limit {
        return (0..n).collect();
    }
    let ratio = (n as f64).powf(1.0 / limit as f64);
    let mut next = 0.0;
    (0..n)
        .filter(|&i| {
            let rank = i as f64 + 1.0;
            let keep = i < 30 || rank >= next || i + 1 == n;
            if keep {
                next = rank * ratio;
            }
            keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_ends_and_the_order() {
        let items: Vec<usize> = (0..1001).collect();
        let thin = thinned(&items, 101);
        assert_eq!((thin.len(), thin[0], thin[100]), (101, 0, 1000));
        assert!(thin.windows(2).all(|w| w[1] - w[0] == 10));
        assert_eq!(thinned(&items[..3], 5), [0, 1, 2]);
    }

    #[test]
    fn ranks_on_a_log_axis_keep_the_head_and_the_last() {
        let ranks = evenly_in_log_rank(1_000_000, 250);
        assert_eq!((ranks[29], ranks[ranks.len() - 1]), (29, 999_999));
        assert!(ranks.len() <= 280, "{}", ranks.len());
        let widest =
            ranks.windows(2).skip(30).map(|w| (w[1] + 1) as f64 / (w[0] + 1) as f64).fold(0.0, f64::max);
        assert!(widest < 1.1, "{widest}");
        assert_eq!(evenly_in_log_rank(3, 250), [0, 1, 2]);
    }
}
