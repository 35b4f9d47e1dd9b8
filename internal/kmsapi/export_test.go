package kmsapi

// NotOffered are the operations that are not carried out.
var NotOffered = notOffered
