#!/bin/sh
# helm and kubeconform, and Kubernetes' own schemas, for the long tests: into .venv, where Go is installed.
set -eu

[ -x .venv/go/kubeconform ] && [ -x .venv/go/helm ] || {
    if command -v go >/dev/null; then
        echo "building helm and kubeconform for the tests"
        GOBIN="$PWD/.venv/go" go install helm.sh/helm/v3/cmd/helm@v3.19.0 >/dev/null 2>&1 || true
        GOBIN="$PWD/.venv/go" go install github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0 >/dev/null 2>&1 || true
    fi
}
.venv/bin/python -c "import kubernetes_validate" 2>/dev/null || .venv/bin/pip install -q "kubernetes-validate>=1.30,<2" || true
[ -x .venv/go/kubeconform ] && [ -x .venv/go/helm ] || echo "no helm and kubeconform here (Go builds them) - the tests of the chart are skipped" >&2
