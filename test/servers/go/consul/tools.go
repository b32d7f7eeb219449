//go:build tools

// Consul, for the tests of the store on it: .ci/go-servers builds it.
package tools

import _ "github.com/hashicorp/consul"
