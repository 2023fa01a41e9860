/** What is publicly known of a cloud by its name. */
export interface KnownCloud {
  readonly description: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly region: string;
}

/** Regions of the larger providers, so that the configuration need not describe them. Positions are approximate. */
export const knownClouds: Readonly<Record<string, KnownCloud>> = {
  "aws-eu-west-1": known("Europe, Ireland - Amazon Web Services: Ireland", 53.35, -6.26, "europe"),
  "aws-eu-west-2": known("Europe, England - Amazon Web Services: London", 51.51, -0.13, "europe"),
  "aws-eu-west-3": known("Europe, France - Amazon Web Services: Paris", 48.86, 2.35, "europe"),
  "aws-eu-central-1": known("Europe, Germany - Amazon Web Services: Frankfurt", 50.11, 8.68, "europe"),
  "aws-eu-north-1": known("Europe, Sweden - Amazon Web Services: Stockholm", 59.33, 18.07, "europe"),
  "aws-us-east-1": known("United States, Virginia - Amazon Web Services: N. Virginia", 38.95, -77.45, "north america"),
  "aws-us-east-2": known("United States, Ohio - Amazon Web Services: Ohio", 39.96, -83.0, "north america"),
  "aws-us-west-2": known("United States, Oregon - Amazon Web Services: Oregon", 45.84, -119.7, "north america"),
  "aws-ap-south-1": known("Asia, India - Amazon Web Services: Mumbai", 19.13, 72.89, "asia-pacific"),
  "aws-ap-southeast-1": known("Asia, Singapore - Amazon Web Services: Singapore", 1.35, 103.82, "asia-pacific"),
  "aws-ap-southeast-2": known("Australia, New South Wales - Amazon Web Services: Sydney", -33.87, 151.21, "australia"),
  "aws-ap-northeast-1": known("Asia, Japan - Amazon Web Services: Tokyo", 35.68, 139.69, "asia-pacific"),
  "aws-sa-east-1": known("South America, Brazil - Amazon Web Services: São Paulo", -23.55, -46.63, "south america"),
  "aws-af-south-1": known("Africa, South Africa - Amazon Web Services: Cape Town", -33.92, 18.42, "africa"),
  "google-europe-west1": known("Europe, Belgium - Google Cloud: Belgium", 50.47, 3.82, "europe"),
  "google-europe-west3": known("Europe, Germany - Google Cloud: Frankfurt", 50.11, 8.68, "europe"),
  "google-europe-north1": known("Europe, Finland - Google Cloud: Finland", 60.5693, 27.1878, "europe"),
  "google-us-central1": known("United States, Iowa - Google Cloud: Iowa", 41.26, -95.86, "north america"),
  "google-us-east1": known(
    "United States, South Carolina - Google Cloud: South Carolina",
    33.2,
    -80.01,
    "north america",
  ),
  "google-us-west1": known("United States, Oregon - Google Cloud: Oregon", 45.6, -121.18, "north america"),
  "google-asia-east2": known("Asia, Hong Kong - Google Cloud: Hong Kong", 22.5, 114.0, "asia-pacific"),
  "azure-westeurope": known("Europe, Netherlands - Azure: West Europe", 52.37, 4.9, "europe"),
  "azure-northeurope": known("Europe, Ireland - Azure: North Europe", 53.35, -6.26, "europe"),
  "azure-eastus": known("United States, Virginia - Azure: East US", 37.37, -79.82, "north america"),
  "azure-westus2": known("United States, Washington - Azure: West US 2", 47.23, -119.85, "north america"),
  "azure-southeastasia": known("Asia, Singapore - Azure: Southeast Asia", 1.28, 103.83, "asia-pacific"),
  "azure-south-africa-north": known("Africa, South Africa - Azure: South Africa North", -26.198, 28.03, "africa"),
  "do-ams": known("Europe, Netherlands - DigitalOcean: Amsterdam", 52.37, 4.9, "europe"),
  "do-fra": known("Europe, Germany - DigitalOcean: Frankfurt", 50.11, 8.68, "europe"),
  "do-nyc": known("United States, New York - DigitalOcean: New York", 40.71, -74.01, "north america"),
  "do-blr": known("Asia, India - DigitalOcean: Bangalore", 12.96, 77.59, "asia-pacific"),
  "upcloud-fi-hel": known("Europe, Finland - UpCloud: Helsinki", 60.17, 24.97, "europe"),
  "upcloud-de-fra": known("Europe, Germany - UpCloud: Frankfurt", 50.11, 8.68, "europe"),
  "upcloud-us-chi": known("United States, Illinois - UpCloud: Chicago", 41.88, -87.63, "north america"),
};

/** Names of providers, by what stands before the first `-` of a cloud. */
export const providerDescriptions: Readonly<Record<string, string>> = {
  aws: "Amazon Web Services",
  google: "Google Cloud Platform",
  azure: "Microsoft Azure",
  do: "DigitalOcean",
  upcloud: "UpCloud",
  exoscale: "Exoscale",
  local: "This machine",
};

function known(description: string, latitude: number, longitude: number, region: string): KnownCloud {
  return { description, latitude, longitude, region };
}
