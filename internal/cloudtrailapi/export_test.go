package cloudtrailapi

// NotOffered are the operations that are told not to be carried out.
var NotOffered = notOffered
