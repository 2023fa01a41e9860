import { Table } from "@mantine/core";
import type { ReactNode } from "react";

interface ListTableProps {
  /** Heads of the columns; undefined: the column has actions, which only screen readers are told. */
  readonly columns: readonly (ReactNode | undefined)[];
  /** Pixels; narrower screens scroll it sideways. */
  readonly minWidth: number;
  /** Pixels; longer lists scroll. */
  readonly maxHeight?: number;
  readonly spacing?: "xs" | "sm";
  /** Rows. */
  readonly children: ReactNode;
}

/** A list with columns, in a card. */
export function ListTable({ columns, minWidth, maxHeight, spacing = "sm", children }: ListTableProps) {
  return (
    <Table.ScrollContainer
      minWidth={minWidth}
      {...(maxHeight === undefined ? {} : { maxHeight })}
      scrollAreaProps={{ type: "auto", ...(maxHeight === undefined ? {} : { viewportProps: { tabIndex: 0 } }) }}
    >
      <Table verticalSpacing={spacing} horizontalSpacing="md">
        <Table.Thead>
          <Table.Tr>
            {columns.map((column, index) => (
              <Table.Th key={index}>{column ?? <span className="visually-hidden">Actions</span>}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
