"""scikit-learn's multilayer perceptron with class weights."""

from __future__ import annotations

from typing import Any

from sklearn.neural_network import MLPClassifier

from driftgate.training.families.weights import sample_weight


class MultilayerPerceptron(MLPClassifier):
    """A multilayer perceptron.

    Args:
        class_weight: `balanced` weighs each class by the inverse of its number of rows.
        hidden_units: Units of each hidden layer: a number, or several joined by `x`, such as `64x32`. The problem file and
            the search space have no lists for a setting. It takes precedence over `hidden_layer_sizes`.
        The others are those of scikit-learn's `MLPClassifier`.
    """

    _parameter_constraints: dict[str, Any] = {  # noqa: RUF012  # scikit-learn's own form
        **MLPClassifier._parameter_constraints,
        "class_weight": "no_validation",
        "hidden_units": "no_validation",
    }

    def __init__(
        self,
        *,
        class_weight: str | None = None,
        hidden_units: int | str | None = None,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | None = None,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
        )
        self.class_weight = class_weight
        self.hidden_units = hidden_units

    def fit(self, X: Any, y: Any) -> MultilayerPerceptron:
        """Fit; a search that doesn't converge within `max_iter` is used as it is, and gives no warning."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning

        if self.hidden_units is not None:
            self.hidden_layer_sizes = tuple(int(units) for units in str(self.hidden_units).split("x"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(X, y, sample_weight=sample_weight(y, self.class_weight))
        return self
