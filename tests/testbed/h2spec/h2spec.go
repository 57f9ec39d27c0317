// Package h2spec names the program that is built.
//go:build tools

package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"
