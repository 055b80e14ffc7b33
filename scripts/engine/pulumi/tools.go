//go:build tools

// Package tools names the one command that this module is for: Pulumi's command line, locked by go.sum.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
