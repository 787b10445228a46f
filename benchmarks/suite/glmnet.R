# Serves glmnet to the suite: a command a line on stdin, an answer a line on stdout; arrays go through files of
# the folder that is named on the command line. Times are taken here, so that no file counts.

suppressMessages({library(Matrix); library(glmnet)})
glmnet.control(fdev = 0, devmax = 1)
folder <- commandArgs(trailingOnly = TRUE)[1]

numbers <- function(name) {
  file <- file.path(folder, name)
  readBin(file, "double", file.size(file) / 8)
}
whole <- function(name) {
  file <- file.path(folder, name)
  readBin(file, "integer", file.size(file) / 4)
}
solve_path <- function(rows, loss, tol, lambda) {
  x_part <- if (is.null(rows)) x else x[rows, , drop = FALSE]
  y_part <- if (is.null(rows)) y else y[rows]
  family <- if (loss == "logistic") "binomial" else "gaussian"
  glmnet(x_part, y_part, family = family, lambda = lambda, standardize = FALSE,
         intercept = FALSE, thresh = tol, maxit = 1e9)
}
held_out <- function(fit, rows, loss) {
  z <- as.matrix(x[rows, , drop = FALSE] %*% fit$beta)
  b <- y[rows]
  if (loss == "logistic") colMeans(log1p(exp(-(2 * b - 1) * z))) else colMeans((b - z)^2 / 2)
}
answer <- function(started, spent, words = "") {
  seconds <- as.numeric(Sys.time()) - started
  used <- sum(proc.time()[c(1, 2, 4, 5)]) - spent
  cat("ok", format(seconds, digits = 9), format(used, digits = 9), words, "\n")
}

input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  words <- strsplit(line, " ")[[1]]
  told <- tryCatch({
    if (words[1] == "load") {
      size <- as.integer(words[3:4])
      if (words[2] == "dense") {
        x <- matrix(numbers("values"), size[1], size[2])
      } else {
        x <- new("dgCMatrix", i = whole("rows"), p = whole("starts"), x = numbers("values"), Dim = size)
      }
      cat("ok 0 0\n")
    } else {
      y <- numbers("target")
      lambda <- numbers("lambda")
      loss <- words[2]
      tol <- as.numeric(words[3])
      spent <- sum(proc.time()[c(1, 2, 4, 5)])
      started <- as.numeric(Sys.time())
      if (words[1] == "path") {
        beta <- solve_path(NULL, loss, tol, lambda)$beta
        answer(started, spent, ncol(beta))
        writeBin(beta@x, file.path(folder, "beta_values"))
        writeBin(beta@i, file.path(folder, "beta_rows"))
        writeBin(beta@p, file.path(folder, "beta_starts"))
        cat("done\n")
      } else {
        fold <- whole("fold")
        parts <- setdiff(unique(fold), 0)
        curves <- parallel::mclapply(parts, function(k) {
          fit <- solve_path(which(fold != k), loss, tol, lambda)
          held_out(fit, which(fold == k), loss)
        }, mc.cores = as.integer(words[4]))
        best <- which.min(Reduce(`+`, curves))
        if (words[1] == "cv") solve_path(NULL, loss, tol, lambda[seq_len(best)])
        answer(started, spent, best)
      }
    }
    ""
  }, error = function(problem) conditionMessage(problem))
  if (told != "") cat("error", gsub("\n", " ", told), "\n")
  flush(stdout())
}
