// SPDX-License-Identifier: Apache-2.0
// The host looks for its component in a global of the app's name (see plugin/react_apps.py, same names). A module
// runs once however often it is imported, hence all names at once; which view it is follows from the properties.
import { App } from "./App";

const APP_NAMES = ["Spark queues", "Spark queue", "Spark jobs", "Spark jobs of DAG"];

for (const name of APP_NAMES) Reflect.set(globalThis, name, App);
