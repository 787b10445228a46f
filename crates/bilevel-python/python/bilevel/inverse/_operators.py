"""Linear operators: the library's as SciPy ``LinearOperator`` objects, and anybody's in their place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from bilevel import _core
from bilevel._matrix import refuse_corrupt, to_matrix
from bilevel.inverse._arrays import Floats, floats, sides, vector


class Operator(LinearOperator):  # type: ignore[misc]
    """A linear operator of the library, which SciPy's solvers take as it is.

    It is made by ``convolution``, ``gradient``, ``radon`` and the other functions here, or from what
    somebody else made by ``as_operator``. Sums, multiples, products (``A @ B``) and transposes of operators
    stay in the library; ``A(image)`` takes and returns arrays in their shapes, ``A.matvec`` flat vectors.

    Attributes
    ----------
    shape : tuple
        (length of the output, length of the input).
    shape_in, shape_out : tuple
        Shapes of what is put in and comes out.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import gradient
    >>> gradient((2, 2))(np.array([[1.0, 2.0], [4.0, 8.0]]))
    array([[[3., 6.],
            [0., 0.]],
    <BLANKLINE>
           [[1., 0.],
            [4., 0.]]])
    """

    def __init__(self, core: _core.Operator, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> None:
        super().__init__(dtype=np.dtype(np.float64), shape=core.shape)
        self._core = core
        self.shape_in = shape_in
        self.shape_out = shape_out

    def __call__(self, x: Any) -> Floats:
        """A x for an array of shape ``shape_in`` (or flat), in the shape ``shape_out``."""
        return self._core.apply(vector("x", x, self.shape[1])).reshape(self.shape_out)

    def _matvec(self, x: Any) -> Floats:
        return self._core.apply(np.ascontiguousarray(_real(x), dtype=np.float64).reshape(-1))

    def _rmatvec(self, y: Any) -> Floats:
        return self._core.adjoint(np.ascontiguousarray(_real(y), dtype=np.float64).reshape(-1))

    def _transpose(self) -> Operator:
        return Operator(self._core.transposed(), self.shape_out, self.shape_in)

    def _adjoint(self) -> Operator:
        return self._transpose()

    def dot(self, x: Any) -> Any:
        """The product with an operator, a number, a vector or a matrix."""
        if isinstance(x, Operator):
            return Operator(self._core.after(x._core), x.shape_in, self.shape_out)
        if np.isscalar(x) and np.isrealobj(x):
            return self._scaled(x)
        return super().dot(x)

    def __rmul__(self, factor: Any) -> Any:
        """A multiple."""
        if np.isscalar(factor) and np.isrealobj(factor):
            return self._scaled(factor)
        return super().__rmul__(factor)

    def __add__(self, other: Any) -> Any:
        """The sum."""
        if isinstance(other, Operator):
            return Operator(self._core.plus(other._core), self.shape_in, self.shape_out)
        return super().__add__(other)

    def __neg__(self) -> Operator:
        """The negative."""
        return self._scaled(-1.0)

    def __sub__(self, other: Any) -> Any:
        """The difference."""
        return self + -other

    def _scaled(self, factor: Any) -> Operator:
        return Operator(self._core.scaled(float(factor)), self.shape_in, self.shape_out)


def _real(x: Any) -> Any:
    if np.iscomplexobj(x):
        raise TypeError("x: found complex numbers; expected real ones")
    return x


class _Callbacks:
    """An operator of somebody else's, its answers checked."""

    def __init__(self, operator: Any, rows: int, columns: int) -> None:
        self._operator, self._rows, self._columns = operator, rows, columns

    def matvec(self, x: Floats) -> Floats:
        return self._checked("matvec", self._operator.matvec(x), self._rows)

    def rmatvec(self, y: Floats) -> Floats:
        return self._checked("rmatvec", self._operator.rmatvec(y), self._columns)

    def _checked(self, method: str, answer: Any, length: int) -> Floats:
        array = np.asarray(answer)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"`{method}` of operator A: found {array.dtype} values; expected real numbers")
        if array.size != length:
            raise ValueError(f"`{method}` of operator A: found {array.size} numbers; expected {length}")
        return np.ascontiguousarray(array, dtype=np.float64).reshape(-1)


def as_operator(
    A: Any, shape_in: tuple[int, ...] | None = None, shape_out: tuple[int, ...] | None = None
) -> Operator:
    """Anything that is a linear operator as one of the library.

    Parameters
    ----------
    A : Operator, array, sparse matrix, or an object with ``shape``, ``matvec`` and ``rmatvec``
        The last are SciPy's and PyLops' operators, or one of your own; its methods are called whenever a
        product is needed, and what they raise is raised by the function that needed it.
    shape_in, shape_out : tuple
        Shapes of the arrays that the flat vectors stand for; by default those that PyLops knows (``dims``
        and ``dimsd``), or flat.

    Returns
    -------
    Operator

    Raises
    ------
    TypeError
        For what is no operator.
    ValueError
        For a matrix with NaN, or shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import as_operator, dot_test
    >>> class Sums:
    ...     shape = (3, 3)
    ...     def matvec(self, x):
    ...         return np.cumsum(x)
    ...     def rmatvec(self, y):
    ...         return np.cumsum(y[::-1])[::-1]
    >>> A = as_operator(Sums())
    >>> A.matvec(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    >>> dot_test(A) < 1e-12
    True
    """
    core, own_in, own_out = _converted(A)
    rows, columns = core.shape
    shapes = []
    for name, given, own, length in (
        ("shape_in", shape_in, own_in, columns),
        ("shape_out", shape_out, own_out, rows),
    ):
        chosen = (own or (length,)) if given is None else sides(given)
        if math.prod(chosen) != length:
            raise ValueError(f"setting `{name}`: found {chosen}; expected a shape of {length} numbers")
        shapes.append(chosen)
    return Operator(core, shapes[0], shapes[1])


def _converted(A: Any) -> tuple[_core.Operator, tuple[int, ...] | None, tuple[int, ...] | None]:
    if isinstance(A, Operator):
        return A._core, A.shape_in, A.shape_out
    if isinstance(A, np.ndarray) or sparse.issparse(A):
        return _core.Operator.matrix(to_matrix(matrix("A", A))), None, None
    if all(hasattr(A, name) for name in ("shape", "matvec", "rmatvec")):
        rows, columns = (int(n) for n in A.shape)
        core = _core.Operator.foreign(_Callbacks(A, rows, columns), (rows, columns))
        dims = [getattr(A, name, None) for name in ("dims", "dimsd")]
        own_in, own_out = (None if d is None else tuple(int(n) for n in d) for d in dims)
        return core, own_in, own_out
    raise TypeError(
        f"operator A: found {type(A).__name__}; expected an array, a sparse matrix, or an object with "
        "`shape`, `matvec` and `rmatvec`"
    )


def matrix(what: str, values: Any) -> Any:
    """A dense or sparse matrix of float64, as the core stores it.

    Raises
    ------
    TypeError, ValueError
        If it is no matrix of real numbers.
    """
    if sparse.issparse(values):
        return sparse.csc_matrix(refuse_corrupt(values), dtype=np.float64)
    array = floats(f"matrix {what}", values) if not _is_fortran(values) else values
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"matrix {what}: found an array of shape {array.shape}; expected rows and columns")
    return array


def _is_fortran(values: Any) -> bool:
    right = isinstance(values, np.ndarray) and values.dtype == np.float64 and values.flags.f_contiguous
    return bool(right and np.isfinite(values).all())


def _shaped(core: _core.Operator, shape: tuple[int, ...], out: tuple[int, ...] | None = None) -> Operator:
    return Operator(core, shape, shape if out is None else out)


def convolution(
    shape: Any, kernel: Any, boundary: str = "reflective", centre: tuple[int, ...] | None = None
) -> Operator:
    """Convolution of signals, images or volumes of ``shape`` with a kernel: blur.

    Parameters
    ----------
    shape : int or tuple
        (rows, columns) of an image.
    kernel : array with as many axes
        The image of a point, such as ``gaussian_kernel(2)``.
    boundary : {"reflective", "periodic", "zero"}
        What lies beyond the edges.
    centre : tuple
        The sample of the kernel that leaves things in place; by default the middle one.

    Examples
    --------
    >>> from bilevel.inverse import convolution
    >>> convolution(4, [1.0, 2.0, 4.0], boundary="zero")([1.0, 0.0, 0.0, 10.0]).round(12)
    array([ 2.,  4., 10., 20.])
    """
    size, weights = sides(shape), floats("kernel", kernel)
    middle = None if centre is None else [int(k) for k in centre]
    core = _core.Operator.convolution(
        list(size), list(weights.shape), weights.reshape(-1), middle, str(boundary)
    )
    return _shaped(core, size)


def difference(shape: Any, axis: int = 0, order: int = 1, boundary: str = "reflective") -> Operator:
    """First or second differences along one axis, as many as samples.

    Examples
    --------
    >>> from bilevel.inverse import difference
    >>> difference(4, order=2, boundary="zero")([1.0, 4.0, 9.0, 16.0])
    array([  2.,   2.,   2., -23.])
    """
    size = sides(shape)
    if not 0 <= axis < len(size):
        raise ValueError(f"setting `axis`: found {axis}; expected one from 0 to {len(size) - 1}")
    return _shaped(_core.Operator.difference(list(size), int(axis), int(order), str(boundary)), size)


def gradient(shape: Any, boundary: str = "reflective") -> Operator:
    """Forward differences along each axis; the output has an axis more, in front.

    Examples
    --------
    >>> from bilevel.inverse import gradient
    >>> gradient((3, 4)).shape_out
    (2, 3, 4)
    """
    size = sides(shape)
    return _shaped(_core.Operator.gradient(list(size), str(boundary)), size, (len(size), *size))


def laplacian(shape: Any, boundary: str = "reflective") -> Operator:
    """The sum of second differences along all axes.

    Examples
    --------
    >>> from bilevel.inverse import laplacian
    >>> laplacian(5, boundary="zero")([0.0, 0.0, 1.0, 0.0, 0.0])
    array([ 0.,  1., -2.,  1.,  0.])
    """
    size = sides(shape)
    return _shaped(_core.Operator.laplacian(list(size), str(boundary)), size)


def cosine(shape: Any) -> Operator:
    """The orthonormal discrete cosine transform (DCT-II) of one to three axes.

    Examples
    --------
    >>> from bilevel.inverse import cosine
    >>> float(cosine(4)([1.0, 1.0, 1.0, 1.0]).round(12)[0])
    2.0
    """
    size = sides(shape)
    return _shaped(_core.Operator.cosine(list(size)), size)


def radon(
    shape: tuple[int, int],
    angles: Any,
    detectors: int | None = None,
    spacing: float = 1.0,
    axis: float | None = None,
) -> Operator:
    """Line integrals of an image along parallel rays, with the exact adjoint.

    Parameters
    ----------
    shape : (rows, columns)
        Of the image; pixels have side 1.
    angles : array
        Of the views, in degrees.
    detectors : int
        Number of detectors; by default as many as the diagonal of the image needs.
    spacing : float
        Distance between detectors, in pixels.
    axis : float
        Where the axis of rotation meets the detector, counted in detectors from the first; by default the
        middle.

    Returns
    -------
    Operator
        Its output, the sinogram, has the shape (angles, detectors).

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import radon
    >>> radon((2, 3), [0.0], detectors=3)(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    array([[5., 7., 9.]])
    """
    size = sides(shape)
    if len(size) != 2:
        raise ValueError(f"setting `shape`: found {shape}; expected (rows, columns)")
    views = np.atleast_1d(floats("angles", angles))
    core, count = _core.Operator.radon((size[0], size[1]), np.deg2rad(views), detectors, float(spacing), axis)
    return _shaped(core, size, (len(views), count))


def travel_time(shape: tuple[int, int], sources: Any, receivers: Any) -> Operator:
    """Travel times along straight rays through a grid of unit cells, of their slownesses.

    Parameters
    ----------
    shape : (rows, columns)
        Of the grid; cell (i, j) covers j ≤ x ≤ j + 1 and i ≤ y ≤ i + 1.
    sources, receivers : arrays of shape (n_rays, 2)
        (x, y) of both ends of each ray.

    Examples
    --------
    >>> from bilevel.inverse import travel_time
    >>> travel_time((2, 2), [[0.0, 0.5]], [[2.0, 0.5]])([1.0, 10.0, 7.0, 7.0])
    array([11.])
    """
    size = sides(shape)
    ends = [floats("sources", sources), floats("receivers", receivers)]
    if len(size) != 2 or any(e.ndim != 2 or e.shape[1] != 2 for e in ends) or len(ends[0]) != len(ends[1]):
        found = f"{ends[0].shape} and {ends[1].shape}"
        raise ValueError(f"sources and receivers: found shapes {found}; expected (n_rays, 2) for both")
    core = _core.Operator.travel_time((size[0], size[1]), np.hstack(ends).reshape(-1))
    return _shaped(core, size, (len(ends[0]),))


def wavelet(shape: Any, name: str = "haar", levels: int = 4, boundary: str = "periodic") -> Operator:
    """The orthogonal wavelet transform of a signal or an image, coefficients from coarse to fine.

    Parameters
    ----------
    shape : int or (rows, columns)
    name : str
        haar, db1 to db20, sym2 to sym20 or coif1 to coif5.
    levels : int
    boundary : {"periodic", "symmetric"}
        With the latter there are a few more coefficients than samples.

    Examples
    --------
    >>> from bilevel.inverse import wavelet
    >>> wavelet(4, "haar", 1)([1.0, 1.0, 3.0, 3.0]).round(3)
    array([1.414, 4.243, 0.   , 0.   ])
    """
    size = sides(shape)
    core = _core.Operator.wavelet(str(name), list(size), int(levels), str(boundary))
    return _shaped(core, size, (core.shape[0],))


def undecimated_wavelet(shape: Any, name: str = "haar", levels: int = 4) -> Operator:
    """The undecimated wavelet transform W, a tight frame: ‖Wx‖ = ‖x‖.

    Examples
    --------
    >>> from bilevel.inverse import undecimated_wavelet
    >>> undecimated_wavelet((8, 8), "haar", 2).shape_out
    (7, 8, 8)
    """
    size = sides(shape)
    core = _core.Operator.undecimated_wavelet(str(name), list(size), int(levels))
    return _shaped(core, size, (core.shape[0] // math.prod(size), *size))


def mask(seen: Any) -> Operator:
    """Keeps the samples whose flag is set: inpainting, subsampling.

    Examples
    --------
    >>> import numpy as np
    >>> from bilevel.inverse import mask
    >>> A = mask([True, False, True])
    >>> A([1.0, 2.0, 3.0]), A.T([1.0, 3.0])
    (array([1., 3.]), array([1., 0., 3.]))
    """
    flags = np.ascontiguousarray(seen)
    if flags.dtype != np.bool_:
        raise TypeError(f"mask: found {flags.dtype} values; expected booleans, true where a sample is seen")
    core = _core.Operator.mask(flags.reshape(-1))
    return _shaped(core, flags.shape, (core.shape[0],))


def diagonal(values: Any) -> Operator:
    """Multiplies each entry by a number of its own.

    Examples
    --------
    >>> from bilevel.inverse import diagonal
    >>> diagonal([2.0, 0.5])([3.0, 4.0])
    array([6., 2.])
    """
    weights = floats("diagonal", values)
    return _shaped(_core.Operator.diagonal(weights.reshape(-1)), weights.shape)


def identity(shape: Any) -> Operator:
    """Leaves everything as it is.

    Examples
    --------
    >>> from bilevel.inverse import identity
    >>> (2 * identity(2))([3.0, 4.0])
    array([6., 8.])
    """
    size = sides(shape)
    return _shaped(_core.Operator.identity(math.prod(size)), size)


def stack(operators: Sequence[Any]) -> Operator:
    """Operators above each other: the outputs one after another.

    Examples
    --------
    >>> from bilevel.inverse import identity, stack
    >>> stack([identity(2), 10 * identity(2)])([1.0, 2.0])
    array([ 1.,  2., 10., 20.])
    """
    blocks = [as_operator(block) for block in operators]
    core = _core.Operator.stack([block._core for block in blocks])
    return _shaped(core, blocks[0].shape_in, (core.shape[0],))


def dot_test(A: Any, seed: int = 0) -> float:
    """|⟨Ax, y⟩ - ⟨x, Aᵀy⟩| for random x and y, relative to their sizes: rounding, if Aᵀ is the adjoint.

    Examples
    --------
    >>> from bilevel.inverse import dot_test, radon
    >>> dot_test(radon((20, 30), range(0, 180, 4))) < 1e-12
    True
    """
    return as_operator(A)._core.dot_test(int(seed))
