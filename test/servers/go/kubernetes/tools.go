//go:build tools

// Kubernetes' API server, for the tests of the store on it and of it on ours: .ci/go-servers builds it.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
