package cloudtrailapi

// notOffered are the operations of the API that are not carried out: CloudTrail Lake (event data stores, queries, dashboards, imports, channels), Insights,
// and the administration of organizations.
var notOffered = []string{
	"CancelQuery", "CreateChannel", "CreateDashboard", "CreateEventDataStore", "DeleteChannel", "DeleteDashboard", "DeleteEventDataStore", "DeleteResourcePolicy",
	"DeregisterOrganizationDelegatedAdmin", "DescribeQuery", "DisableFederation", "EnableFederation", "GenerateQuery", "GetChannel", "GetDashboard",
	"GetEventConfiguration", "GetEventDataStore", "GetImport", "GetInsightSelectors", "GetQueryResults", "GetResourcePolicy", "ListChannels", "ListDashboards",
	"ListEventDataStores", "ListImportFailures", "ListImports", "ListInsightsData", "ListInsightsMetricData", "ListQueries", "PutEventConfiguration",
	"PutInsightSelectors", "PutResourcePolicy", "RegisterOrganizationDelegatedAdmin", "RestoreEventDataStore", "SearchSampleQueries", "StartDashboardRefresh",
	"StartEventDataStoreIngestion", "StartImport", "StartQuery", "StopEventDataStoreIngestion", "StopImport", "UpdateChannel", "UpdateDashboard",
	"UpdateEventDataStore",
}
