//! Inverse problems: x*(λ) = argmin ½‖Ax − b‖² + Σ_k (λ_k/2)‖L_k x‖² and its nonsmooth relatives, where A blurs, projects, samples or simulates, and the
//! choice of λ.

pub mod choice;
pub mod krylov;
pub mod problems;
pub mod restore;
pub mod tikhonov;
mod total_variation;
pub mod wavelet;

pub use total_variation::{
    ActivityMap, ChosenWeight, ConjugateGradients, Deblurred, NormalSolver, SpectralFilter, TotalVariation,
    TvDeblurring, TvDeblurringSettings, TvSettings, TvSure, WeightMap,
};
