// SPDX-License-Identifier: Apache-2.0
// The host looks for its component in a global of the app's name (see plugin/react_apps.py, same names). A module
// runs once however often it is imported, hence all names at once, and which view it is follows from the properties.
import { App } from "./App";

const APP_NAMES = ["Spark jobs", "Spark queue"];

for (const name of APP_NAMES) Reflect.set(globalThis, name, App);
