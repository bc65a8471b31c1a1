// SPDX-License-Identifier: Apache-2.0
// The few pictures of the view; beside each stands a word, so none speaks to a screen reader.
import { Icon, type IconProps } from "@chakra-ui/react";

const drawn = (path: string) => {
  const Drawn = (props: IconProps) => (
    <Icon boxSize={4} {...props}>
      <svg
        aria-hidden="true" fill="none" stroke="currentColor" strokeLinecap="round" strokeLinejoin="round"
        strokeWidth="2" viewBox="0 0 24 24"
      >
        <path d={path} />
      </svg>
    </Icon>
  );
  return Drawn;
};

export const AscendingIcon = drawn("M12 19V5M6 11l6-6 6 6");
export const DescendingIcon = drawn("M12 5v14M6 13l6 6 6-6");
export const UnsortedIcon = drawn("M8 10l4-4 4 4M8 14l4 4 4-4");
export const MoreIcon = drawn("M12 5h.01M12 12h.01M12 19h.01");
export const SearchIcon = drawn("M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4");
export const LiveIcon = drawn("M3 12h4l3 8 4-16 3 8h4");
export const DownloadIcon = drawn("M12 4v11M7 11l5 5 5-5M5 20h14");
export const CloseIcon = drawn("M6 6l12 12M18 6L6 18");
