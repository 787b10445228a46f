//! Inverse problems: operators, the choice of one λ, and restorations whose weights Python searches.
//!
//! | file | what |
//! |---|---|
//! | `operator.rs` | operators of the library, and of the user, who is called back |
//! | `choice.rs` | one λ from a decomposition or a Krylov space |
//! | `restoration.rs` | Tikhonov, wavelets, total variation: solution and hypergradient at given weights |
//! | `denoise.rs` | wavelet denoising, noise level, kernels |

mod choice;
mod denoise;
mod operator;
mod restoration;

pub(crate) use choice::{Spectrum, choose_krylov};
pub(crate) use denoise::{blur_kernel, denoise_wavelet, estimate_noise};
pub(crate) use operator::Operator;
pub(crate) use restoration::Restoration;
